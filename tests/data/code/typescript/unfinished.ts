export function good(a: number): number {
  return a;
}

function member(a: Tree): number {
  return a.
}

function annotation(a: ): void {
  call(a);
}

class Half {
  method(): void {
    this.
  }

  following(): number {
    return 1;
  }
}

const arrow = (x: number): number => {
  return x.
};

function last(): void {
  call(
