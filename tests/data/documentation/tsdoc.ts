/**
 * Adds two numbers.
 *
 * @remarks
 * Uses {@link Calculator.add | the calculator} and [the docs](https://example.org/docs).
 *
 * @typeParam T - the type of numbers
 * @param a - the first
 * @param b - the second,
 *   which goes on
 * @returns The sum
 *
 * @example
 * Adding small numbers:
 * ```ts
 * add(1, 2);
 * ```
 *
 * @defaultValue `0`
 * @privateRemarks Not for everybody.
 * @beta
 */
export function add<T>(a: T, b: T): T {
  return a;
}
