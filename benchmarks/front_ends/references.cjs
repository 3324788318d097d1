// What TypeScript's language service says that names stand for: a JSON line a place, [[path, line, is it a function or
// class], ...] with paths relative to the folder, [] for what is outside of it, null for what is not known.
// Usage: node references.cjs FOLDER_OF_TYPESCRIPT < {"root", "files", "sites": [[path, offset], ...]}
const fs = require("fs");
const path = require("path");
const ts = require(process.argv[2]);
const { root, files, sites } = JSON.parse(fs.readFileSync(0, "utf8"));

const names = files.map((file) => path.join(root, file));
const service = ts.createLanguageService({
  getScriptFileNames: () => names,
  getScriptVersion: () => "0",
  getScriptSnapshot: (name) => fs.existsSync(name) ? ts.ScriptSnapshot.fromString(fs.readFileSync(name, "utf8")) : undefined,
  getCurrentDirectory: () => root,
  getCompilationSettings: () => ({
    allowJs: true, target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, jsx: ts.JsxEmit.Preserve,
    moduleResolution: ts.ModuleResolutionKind.Bundler, allowImportingTsExtensions: true, noEmit: true, strict: true,
  }),
  getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
  fileExists: ts.sys.fileExists, readFile: ts.sys.readFile, readDirectory: ts.sys.readDirectory,
  directoryExists: ts.sys.directoryExists, getDirectories: ts.sys.getDirectories,
});
const program = service.getProgram();

function token(file, place) {
  let found = file;
  const visit = (node) => {
    if (node.getStart(file) <= place && place < node.end) { found = node; ts.forEachChild(node, visit); }
  };
  ts.forEachChild(file, visit);
  return found;
}

function isFunction(node) {
  const holder = ts.isIdentifier(node) || ts.isPrivateIdentifier(node) ? node.parent : node;
  const value = holder.initializer || (ts.isBinaryExpression(holder) ? holder.right : null);
  if (value) return ts.isFunctionLike(value) || ts.isClassLike(value);
  return ts.isFunctionLike(holder) || ts.isClassLike(holder) || ts.isPropertyAccessExpression(holder);
}

for (const [name, place] of sites) {
  const found = service.getDefinitionAtPosition(path.join(root, name), place) || [];
  const answers = [];
  for (const definition of found) {
    const file = program.getSourceFile(definition.fileName);
    if (!file || !definition.fileName.startsWith(root + path.sep)) continue;
    const line = file.getLineAndCharacterOfPosition(definition.textSpan.start).line + 1;
    answers.push([path.relative(root, definition.fileName), line, isFunction(token(file, definition.textSpan.start))]);
  }
  console.log(JSON.stringify(found.length ? answers : null));
}
