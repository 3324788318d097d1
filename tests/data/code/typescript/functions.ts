import type { Tree } from './tree';

export type Handler<T> = (event: T) => void;

/** Parses a text. */
export function parse(text: string): Tree;
export function parse(text: Uint8Array): Tree;
export function parse(text: string | Uint8Array): Tree {
  return build(text);
}

export const identity = <T,>(value: T): T => value;

const typed: Handler<string> = (event) => {
  console.log(event);
};

export async function load<K extends keyof Tree>(this: Window, key: K, depth?: number): Promise<Tree[K]> {
  return (await fetch(key)).json() as Tree[K];
}

function isTree(value: unknown): value is Tree {
  return true;
}

function assertTree(value: unknown): asserts value is Tree {}

namespace Shapes {
  export namespace Flat {
    /** The area. */
    export function area(r: number): number {
      return r * r;
    }
  }
  const hidden = () => 1;
}

declare module 'elsewhere' {
  export function declared(x: number): void;
}

declare function ambient(x: number): string;

export default async (request: Request) => {
  return request.url;
};

const options = {
  onError(this: Window, error: Error): void {
    throw error;
  },
  onDone: async <T>(value: T): Promise<T> => value,
} satisfies Options;
