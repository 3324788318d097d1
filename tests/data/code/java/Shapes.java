package org.example.shapes;

import java.util.List;

/**
 * A circle.
 *
 * @since 1.0
 */
@Deprecated
public final class Shapes<T extends Comparable<T>> extends Base implements Area {
    private final double radius;

    static {
        System.loadLibrary("shapes");
    }

    /** Makes a circle. */
    public Shapes(double radius) {
        this.radius = radius;
    }

    // The default one:
    // of radius one.
    Shapes() {
        this(1.0);
    }

    /**
     * Computes the area.
     *
     * @return the area
     */
    @Override
    public double area() {
        return Math.PI * radius * radius;
    }

    /* Not documentation style, but right above. */
    public static <K, V extends K> List<V> convert(final List<? super K> in, V... more)
            throws java.io.IOException, IllegalStateException {
        Runnable later = () -> System.out.println("a local one");
        in.forEach(item -> more.toString());
        return null;
    }

    int scale(int by) { return by; }
    long scale(long by) { return by; }

    // A remark that a blank line parts from the method.

    protected abstract void undone();

    native void elsewhere();

    void withAnonymous() {
        Runnable run = new Runnable() {
            @Override
            public void run() {
                area();
            }
        };
        class Local {
            int inside() { return 1; }
        }
    }

    static class Nested {
        class Deep {
            void deepest() {}
        }
    }

    int[] table(int n)[] { return null; }
}
