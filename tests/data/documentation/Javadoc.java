class Shelf<T extends Comparable<T>> {
    /**
     * Puts <b>an item</b> on the {@linkplain Shelf shelf} beside {@link java.util.List#add(int, Object)}.
     * <p>
     * Uses {@code Map<K, V>} and List&lt;T&gt;, {@literal a < b} and <code>x &amp; y</code>; a*b*c and _x_ stay.
     * <ul>
     *   <li>First, which
     *       goes on</li>
     *   <li>Second
     *     <ol><li>inner</li><li>other</li></ol>
     *   </li>
     * </ul>
     * <pre>{@code
     *   shelf.put(item);
     *   if (a < b) { }
     * }</pre>
     *
     * @param <T>  the type of items
     * @param item the item,
     *             not null
     * @param at
     * @return the place, or {@code -1}
     * @throws IllegalStateException if the shelf is full
     * @throws java.io.IOException   never
     * @see #take(int)
     * @see java.util.List the list
     * @see <a href="https://example.org/shelf">The manual</a>
     * @since 1.2
     * @deprecated use {@link #add} instead
     * @custom what the project calls it
     */
    int put(T item, int at) { return at; }

    /**
     * Takes items.
     * 1. no list
     * # no heading
     * <a href="javascript:alert(1)">no link</a>, <i>but</i> <em>emphasis</em>.<br>And a line.
     *
     * <table><tr><th>Name</th><th>Value</th></tr><tr><td>one</td><td>1</td></tr></table>
     *
     * {@snippet lang=java :
     * shelf.take(1);
     * }
     *
     * {@inheritDoc}
     */
    T take(int at) { return null; }

    // Counts what is there:
    // - books
    // - `pens`
    // and *nothing* else.
    int count() { return 0; }

    /** {@return the width of List<String>} */
    int width() { return 1; }
}
