class Unfinished {
    int good() {
        return 1;
    }

    int argument() {
        return foo(;
    }

    int condition(int x) {
        if (x > ) {
        }
        return 2;
    }

    int parameter(int x {
        return x;
    }

    void loop() {
        for (int i = 0; ) {
        }
    }

    int last() { return 3; }
