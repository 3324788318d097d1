/// Adds one.
auto add = [](int x) { return x + 1; };
static const std::function<void()> stop{[] { halt(); }};
const int table = [] { return make(); }();

struct Form {
    std::function<void()> submit = [] { send(); };
    friend bool same(const Form &a, const Form &b) { return &a == &b; }
    Form() try : size(1) { } catch (...) { }
    Form(const Form &) = delete;
    int size;
};

void Form::wire() {
    button.onClick = [this] { submit(); };
    auto helper = [&](int x) { return x; };
    auto found = std::find_if(a, b, [](int x) { return x > 1; });
    run([] { return 1; });
}

extern "C" {
int plain(void) { return 1; }
}
