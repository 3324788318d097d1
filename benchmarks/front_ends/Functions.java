import com.sun.source.tree.*;
import com.sun.source.util.*;
import com.sun.tools.javac.tree.JCTree;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import javax.tools.*;

/** The functions of Java files as javac parses them: a JSON line a file, [[name, line], ...]; files from stdin. */
public class Functions {
    public static void main(String[] arguments) throws IOException {
        var compiler = ToolProvider.getSystemJavaCompiler();
        var files = compiler.getStandardFileManager(null, null, null);
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String path; (path = input.readLine()) != null; ) {
            var task = (JavacTask) compiler.getTask(null, files, x -> { }, List.of("-proc:none"), null,
                files.getJavaFileObjects(Path.of(path)));
            var found = new ArrayList<String>();
            for (CompilationUnitTree unit : task.parse()) {
                new Finder(unit, found).scan(unit, null);
            }
            System.out.println("[" + String.join(",", found) + "]");
        }
    }

    static class Finder extends TreePathScanner<Void, Void> {
        private final CompilationUnitTree unit;
        private final List<String> found;

        Finder(CompilationUnitTree unit, List<String> found) {
            this.unit = unit;
            this.found = found;
        }

        private void add(String name, int position) {
            found.add("[\"" + name + "\"," + unit.getLineMap().getLineNumber(position) + "]");
        }

        @Override
        public Void visitMethod(MethodTree method, Void nothing) {
            if (method.getBody() != null) {
                var name = method.getName().toString();
                if (name.equals("<init>")) {
                    name = ((ClassTree) getCurrentPath().getParentPath().getLeaf()).getSimpleName().toString();
                }
                add(name, ((JCTree.JCMethodDecl) method).pos);
            }
            return super.visitMethod(method, nothing);
        }

        @Override
        public Void visitVariable(VariableTree variable, Void nothing) {
            Tree value = variable.getInitializer();
            while (value instanceof ParenthesizedTree || value instanceof TypeCastTree) {
                value = value instanceof TypeCastTree cast
                    ? cast.getExpression() : ((ParenthesizedTree) value).getExpression();
            }
            if (value instanceof LambdaExpressionTree) {
                add(variable.getName().toString(), ((JCTree.JCVariableDecl) variable).pos);
            }
            return super.visitVariable(variable, nothing);
        }
    }
}
