export const handler = <Handler>((req: Req) => { return req.id; });
export const sure = (() => 1)!;
class Store { private load = <T>(key: string): T => this.get(key)!; declare size: number; }
declare namespace Outer.Inner { function declared(): void; }
namespace Outer.Inner { export const run = once(() => 1); }
export = () => 2;
