function good(a) {
  return a;
}

function parameter(a {
  return a;
}

function member(a) {
  return a.
}

function argument(a) {
  call(a
}

const arrow = (x) => {
  return x.
};

class Half {
  method() {
    this.
  }

  following() {
    return 2;
  }
}

@decorated
function last() {
  return 2;
