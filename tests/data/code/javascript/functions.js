'use strict';

/**
 * Adds two numbers.
 * @param {number} a
 */
function add(a, b = 1, ...rest) {
  return a + b;
}

// Fetches a page
// and parses it.
export async function fetchPage(url) {
  return (await fetch(url)).json();
}

export default function main() {
  function helper(x) {
    return x;
  }
  return helper(1);
}

function* counter() {
  yield 1;
}

/** Squares. */
const square = (x) => x * x;

export const cube = async x => {
  return x ** 3;
};

let named = function inner() {
  return 1;
};

const a = () => 1, b = () => 2;

const { c } = require('c');

module.exports.parse = function (text) {
  return text;
};

exports.render = (tree) => `${tree}`;

/** The sum of the list. */
List.prototype.sum = function () {
  return this.items.reduce((x, y) => x + y, 0);
};

List.prototype = {
  constructor: List,
  first() {
    return this.items[0];
  },
};

const api = {
  /** Reads. */
  read(path) {
    return path;
  },
  write: function (path, data) {
    return data;
  },
  remove: (path) => path,
  async *stream() {
    yield 1;
  },
  get size() {
    return 0;
  },
  'quoted name': function () {
    return 2;
  },
  [computed]: () => 3,
  nested: {
    deep() {
      return 4;
    },
  },
};

items.map((item) => item.name);

setTimeout(function () {
  done();
}, 10);

(function () {
  function insideIife() {
    return 5;
  }
})();

(async () => {
  await add(1);
})();
