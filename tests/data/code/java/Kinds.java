/** A record. */
public record Range(int low, int high) implements Comparable<Range> {
    /** Checks the order. */
    public Range {
        if (low > high) throw new IllegalArgumentException();
    }

    Range(int high) {
        this(0, high);
    }

    static Range of(int a, int b) {
        return new Range(a, b);
    }
}

/** Operators. */
enum Operator {
    /** Adds. */
    PLUS("+") {
        @Override
        int apply(int a, int b) { return a + b; }
    },
    MINUS("-") {
        int apply(int a, int b) { return a - b; }
    };

    private final String symbol;

    Operator(String symbol) {
        this.symbol = symbol;
    }

    abstract int apply(int a, int b);

    String symbol() { return symbol; }
}

interface Area {
    double area();

    /** Twice the area. */
    default double doubled() {
        return 2 * area();
    }

    static Area none() {
        return () -> 0;
    }

    private void helper() {}
}

@interface Marker {
    String value() default "";

    class Holder {
        static int count() { return 0; }
    }
}
