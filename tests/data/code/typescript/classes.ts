/** What can be drawn. */
export interface Drawable<T = unknown> {
  draw(canvas: T): void;
  readonly size: number;
}

/** The colours. */
export enum Colour {
  Red = 'red',
  Green = 'green',
}

export const enum Direction {
  Up,
}

/** The base of all shapes. */
@Injectable({ providedIn: 'root' })
export abstract class Shape<T extends object> implements Drawable<T> {
  private readonly listeners: Array<() => void> = [];

  constructor(
    private readonly name: string,
    public size = 0,
  ) {}

  abstract area(): number;

  /** Draws the shape. */
  @Input()
  public draw(canvas: T): void {
    canvas.toString();
  }

  static create<T extends object>(this: new () => Shape<T>): Shape<T> {
    return new this();
  }

  scale(by: number): this;
  scale(by: string): this;
  scale(by: number | string): this {
    return this;
  }

  private handle = async (event: Event): Promise<void> => {
    this.listeners.forEach((listener) => listener());
  };

  get title(): string {
    return this.name;
  }

  override toString?(): string {
    return this.name;
  }
}

export default class extends Shape<object> {
  area() {
    return 1;
  }
}
