#pragma once
/** A pane that floats. */
class PANE_EXPORT FloatingPane : public Pane {
  Q_OBJECT
 public:
  explicit FloatingPane(int id) : id_(id) {}
  /** Moves it. */
  void move(int dx) { x_ += dx; }

private slots:
  void onClose() { close(); }
signals:
  void moved();

 private:
  int id_, x_ = 0;
};

template <class T>
struct PANE_EXPORT Holder<T*> final {
  T* get() const PANE_NOEXCEPT { return held_; }
};

class Stack final : public Base<int> {
  int size() { return 1; }
};

enum class PANE_EXPORT Side : int { Left, Right };

namespace panes PANE_VISIBILITY(default)
{
inline int count() { return 1; }
}
