/** What the module gives. */
module.exports = function () {};
module.exports = { first() {}, second: function () {}, third: wrap(() => 1) };
/** Not named twice. */
export default () => 1;
