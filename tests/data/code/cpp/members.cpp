#include "classes.hpp"

Widget::Widget(int size) : size_(size) {
    init();
}

Widget::~Widget() {
    clear();
}

/* Draws it. */
void Widget::draw(Canvas &canvas) const {
    canvas.line();
}

template <typename T>
void Stack<T>::push(const T &item) {
    items_.add(item);
}

template <typename T>
Stack<T>::Stack() : size_(0) {}

template <typename T>
template <typename U>
U Stack<T>::convert(T item) {
    return U(item);
}

template <typename T>
void Stack<T>::Node::outside() {
}

namespace geometry {
int Shape::corners() { return 4; }
}

bool Point::operator==(const Point &other) const {
    return true;
}

Point::operator bool() const {
    return true;
}

const std::string &Point::name() const { return name_; }

int *Point::data() { return &x; }

int ns::deep::Klass::method() { return 1; }

int ::global_one() { return 1; }

Foo::Foo() = default;
