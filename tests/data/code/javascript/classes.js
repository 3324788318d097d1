import { Base } from './base.js';

/**
 * A stack.
 */
export class Stack extends Base {
  #items = [];
  static count = 0;

  constructor(items) {
    super();
    this.#items = items;
  }

  /** Puts one on top. */
  push(item) {
    this.#items.push(item);
  }

  get top() {
    return this.#items.at(-1);
  }

  set top(value) {
    this.#items[0] = value;
  }

  static async of(...items) {
    return new Stack(items);
  }

  *[Symbol.iterator]() {
    yield* this.#items;
  }

  #secret() {
    return 1;
  }

  handle = (event) => {
    this.push(event);
  };

  'odd name'() {
    return 2;
  }
}

const Anonymous = class {
  run() {
    return 1;
  }
};

const Named = class Inner {
  run() {
    return 2;
  }
};

class Empty {}

module.exports = class {
  start() {
    return 3;
  }
};

const Widget = {
  render() {
    const onClick = () => {
      return <button onClick={() => go()}>Go</button>;
    };
    return <div>{onClick}</div>;
  },
};
