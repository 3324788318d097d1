int good() {
    return 1;
}

int parameter(int a {
    return a;
}

int argument() {
    return foo(;
}

int member(Point *p) {
    p->
}

class Half {
public:
    int method() { return 1; }
    int following() { return x. }
};

int last() {
    return 2;
