#pragma once

/** A stack of things. */
template <typename T>
class Stack final : public Base<T> {
public:
    explicit Stack(int size) : size_(size), items_{} {
        reserve(size);
    }
    Stack(const Stack &) = delete;
    Stack() = default;

    /// Frees it.
    virtual ~Stack() { clear(); }

    // How many there are.
    [[nodiscard]] int size() const noexcept override { return size_; }

    virtual void push(const T &item) = 0;

    Stack &operator=(const Stack &other) {
        return *this;
    }
    T &operator[](int i) { return items_[i]; }
    bool operator()(int x) const { return x; }
    operator bool() const { return size_ > 0; }
    explicit operator std::string() const { return ""; }
    Stack &operator++() { return *this; }

    template <typename U>
    static U convert(T item) {
        return U(item);
    }

    friend class Iterator;

    struct Node {
        T value;
        Node *next() { return nullptr; }
        void outside();
    };

    enum class Order { Up, Down };

private:
    int size_;
    T *items_;
};

struct Plain {
    int x;
};

union Either {
    int i;
    float f;
    int as_int() { return i; }
};

enum Colour { Red, Green };
