API_FUNC(int) gg(int a) { return a; }
EXPORT void ff() { }
PyMODINIT_FUNC PyInit_x(void) { return 0; }
static VALUE rb_f(VALUE x) { return x; }
JNIEXPORT jint JNICALL Java_foo_bar(JNIEnv *env) { return 1; }
void locked() ABSL_LOCKS_REQUIRED(mu_) { go(); }
FMT_CONSTEXPR auto sz() const FMT_NOEXCEPT -> int { return 1; }
NAMESPACE_BEGIN(detail)
inline int inner() { return 1; }
NAMESPACE_END(detail)
MYNS_BEGIN
/// Doc T.
template <typename T> MYLIB_INLINE T conv(T x) { return x; }
UCLASS(Blueprintable, meta=(X="y"))
class GAME_API AThing : public AActor
{
	GENERATED_BODY()
public:
	UPROPERTY(EditAnywhere)
	int32 Hp;
	UFUNCTION(BlueprintCallable)
	void Hit(int32 x) { Hp -= x; }
Q_SIGNALS:
	void sig();
public Q_SLOTS:
	void slot() { }
};
TEST(Foo, Bar) {
  EXPECT_EQ(1, 2);
}
int kr(a, b)
  int a;
  char *b;
{ return a; }
#ifdef A
void split(int a) {
#else
void split(long a) {
#endif
  work();
}
#if X
int onlyx() { return 1; }
#else
int onlyy() { return 1; }
#endif
class __declspec(dllexport) Dll { int a() { return 1; } };
class __attribute__((visibility("default"))) Vis : public B { int a() { return 1; } };
struct [[nodiscard]] Nd { int a() { return 1; } };
class alignas(16) Al { int a() { return 1; } };
struct S { Z() MYNOEXCEPT(x) : a(1) {} int b() const OVERRIDE FINAL { return 1; } };
__declspec(dllexport) int dl() { return 1; }
int __attribute__((noinline)) at(int x) { return x; }
[[nodiscard]] MYAPI static int nd2() { return 2; }
#ifdef __cplusplus
extern "C" {
#endif
int inc(void) { return 1; }
#ifdef __cplusplus
}
#endif
MYNS_END
class mylib_export Low : public Base { int lo() { return 1; } };
MYAPI Foo* WINAPI wn(int a) { return 0; }
DEPRECATED("x") int old() { return 1; }
PYBIND11_MODULE(example, m) { m.def("x"); }
BOOST_AUTO_TEST_CASE(alone) { }
#define ADD_ONE(x) \
  int x##_one() { return 1; }
template <typename T> struct Ref {
  FMT_CONSTEXPR Ref() : kind(none), val() {}
#if defined(A) && \
    HAS(B)
  MYLIB_INLINE explicit Ref(int index) : kind(index) {}
#endif
};
local int commented(s, n)
    state *s;  /* where it stands */
    unsigned n; // how much
{
  return n;
}
