/** Shows what goes on. */
export const Badge = memo(forwardRef<HTMLElement, Props>((props, ref) => {
  const press = useCallback(() => { props.onPress(ref); }, [props, ref]);
  return <b ref={ref} onClick={press}>{props.items.map((item) => item.name)}</b>;
}), (before, after) => before.id === after.id);

/** Loads an order and keeps it. */
export const fetchOrder = createAsyncThunk('orders/fetch', async (id: string) => {
  return (await api.get(id)).data;
});
export const selectTotal = createSelector((state) => state.a, (state) => state.b, (a, b) => { return a + b; });
const Title = styled(({ text }) => <h1>{text}</h1>)`color: red`;
export const useStore = create<State>()((set) => ({ add: () => set(1) }));
export const second = ((req: Req) => req.id) as unknown as Handler;
export const third = (async (a: number) => a + 1) satisfies Handler;
const chosen = fast ? () => 1 : slow ?? (() => { return 22; });
export const api = { users: { list: wrap(async () => { return 1; }) } };
exports.handle = middy(async (event) => { return 1; });
const ready = await prepare(async () => 1);
this.tick = function () { return this; }.bind(this);
var Library = (function () {
  function hidden() { return 1; }
  return { hidden };
})();
X.prototype['key'] = function () {};
Object.defineProperty(X.prototype, 'size', { get() { return 1; }, enumerable: true });
Reflect.defineProperty(X, 'width', { get: function () { return 1; } });
serve({ users: { list() {}, get: async () => 1 } });
class Form {
  submit = debounce(() => { this.send(); }, 10);
  #hidden = () => 1;
  ['computed']() {}
  get value() { return 1; }
}
export const Mixed = mixin(class extends Base { run() {} });

// Nobody names what these give, or it is no function any more.
const doubled = items.map((x) => x * 2);
const later = setTimeout(() => 1, 10);
const [state, setState] = useState(() => 1);
it('works', () => { const inside = () => 1; });
promise.then(() => 1);

/** What the file is for. */
export default memo(function Panel() { return <i />; });
