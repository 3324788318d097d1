#include <string>
#include <vector>

#define SQUARE(x) ((x) * (x))

int declared_only(int a);

/// Adds two numbers.
/// Twice documented.
int add(int a, int b = 1) {
    return a + b;
}

/*! Gives the name. */
static inline const char *name_of(const struct item *it)
{
    return it->name;
}

std::vector<std::string> split(const std::string &text, char by) noexcept {
    auto keep = [&](char c) { return c != by; };
    return {};
}

auto trailing(int x) -> decltype(x) {
    return x;
}

/**
 * The larger one.
 */
template <typename T, int N = 3>
T maximum(const T &a, const T &b) {
    return a < b ? b : a;
}

template <>
int maximum<int>(const int &a, const int &b) {
    return a;
}

template <typename T>
    requires std::integral<T>
constexpr T half(T value) {
    return value / 2;
}

int &reference(int &x) { return x; }
int *&pointer_reference(int *&x) { return x; }
int (*choose(int which))(int) { return nullptr; }

namespace geometry {

double area(double r) {
    return r * r;
}

namespace detail {
int hidden() { return 1; }
}  // namespace detail

}  // namespace geometry

namespace a::b::inline c {
int nested() { return 2; }
}

namespace {
int anonymous() { return 3; }
}

extern "C" {
int from_c(void) { return 4; }
}

std::ostream &operator<<(std::ostream &out, const Point &p) {
    return out << p.x;
}

[[nodiscard]] int attributed() { return 5; }

unsigned long long operator"" _km(unsigned long long x) { return x; }

int main(int argc, char **argv) try {
    return 0;
} catch (...) {
    return 1;
}
