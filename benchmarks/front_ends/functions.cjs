// The functions of JavaScript and TypeScript files as TypeScript's compiler parses them: a JSON line a file,
// [[name, line], ...]. Usage: node functions.cjs FOLDER_OF_TYPESCRIPT < LIST_OF_FILES
const fs = require("fs");
const ts = require(process.argv[2]);
const K = ts.SyntaxKind;
const through = new Set([
  K.ParenthesizedExpression, K.AsExpression, K.SatisfiesExpression, K.NonNullExpression, K.TypeAssertionExpression,
  K.ConditionalExpression,
]);

function plain(name) {
  if (!name) return null;
  if (ts.isIdentifier(name) || ts.isPrivateIdentifier(name) || ts.isStringLiteral(name)) return name;
  return ts.isPropertyAccessExpression(name) ? name.name : null;
}

// What holds a function that is a value, through casts, conditions and calls of plain names (`memo(() => ...)`).
function holder(node) {
  let inner = node;
  for (let at = node.parent; at; inner = at, at = at.parent) {
    if (ts.isVariableDeclaration(at) || ts.isPropertyAssignment(at) || ts.isPropertyDeclaration(at)) return plain(at.name);
    if (ts.isExportAssignment(at)) return node.name || at;
    if (ts.isBinaryExpression(at)) {
      if (at.operatorToken.kind === K.EqualsToken) return at.right === inner ? plain(at.left) : null;
      if (![K.BarBarToken, K.QuestionQuestionToken].includes(at.operatorToken.kind)) return null;
    } else if (ts.isCallExpression(at)) {
      if (at.expression !== inner && !(ts.isIdentifier(at.expression) && !/^set[A-Z]/.test(at.expression.text))) return null;
    } else if (!through.has(at.kind)) return null;
  }
  return null;
}

for (const path of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const text = fs.readFileSync(path, "utf8");
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found = new Map();
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body) {
      let name = ts.isConstructorDeclaration(node) ? node : plain(node.name);
      if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) name = holder(node) || name;
      if (ts.isFunctionDeclaration(node) && !name) name = node;
      if (name) {
        const text = ts.isConstructorDeclaration(name) ? "constructor" : name.text ?? "default";
        found.set(name.getStart(file), [text, file.getLineAndCharacterOfPosition(name.getStart(file)).line + 1]);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  console.log(JSON.stringify([...found.values()]));
}
