/**
 * Loads a **page** with `fetch`, see {@link Page#load} or {@link https://example.org|the docs}.
 *
 * - one
 * - two
 *
 * ```js
 * await load("a");
 * ```
 *
 * @async
 * @param {string|Array<{a: number}>} url - The address.
 * @param {Object} [options={}] Options,
 *     which go on
 * @param {boolean} [options.cache] - whether to cache
 * @param rest what else
 * @returns {Promise<Page>} the page
 * @throws {TypeError} when it is none
 * @throws if it fails
 * @example <caption>Loading</caption>
 * const page = await load("a"); // {@link no}
 * @example
 * load("b");
 * @see Page
 * @deprecated since 2.0
 * @fires Page#loaded
 * @private
 */
export async function load(url, options, ...rest) {
  return url;
}

/**
 * A product a*b*c of __proto__ and items[i](x), with `'_'` or '_' as a mark.
 * <script>alert(1)</script> <b>bold</b> [click](command:run) ![image](https://example.org/i.png)
 *
 * | a | b |
 * |---|---|
 * | 1 | 2 |
 *
 * @returns >= 0
 * @param n # of items
 */
function product(n) {
  return n;
}

// Says hello.
// Then it leaves.
function hello() {}
