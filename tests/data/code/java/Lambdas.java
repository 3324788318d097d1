class Lambdas {
    /** Ends it. */
    private final Runnable stop = () -> close();
    static final Supplier<Plan> PLAN = memoize(() -> new Plan());
    Comparator<Integer> down = new Comparator<>() {
        public int compare(Integer a, Integer b) { return b - a; }
    };

    Lambdas() {
        this.onEnd = (Runnable) () -> stop.run();
        List<Integer> sorted = sort(list, (a, b) -> a - b);
        list.forEach(x -> { });
    }
}

record Point(int x, int y) {
    Point {
        check(x);
    }
}

enum Level {
    LOW { int value() { return 1; } };
    abstract int value();
}

interface Shape {
    double area();
    default double twice() { return 2 * area(); }
    private static int count() { return 0; }
}

@interface Marked {
    String value() default "x";
}
