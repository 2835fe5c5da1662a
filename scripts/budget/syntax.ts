import { type Node, parseSync, Visitor } from 'oxc-parser';
import { linesOf } from './sources.ts';

export interface FunctionLength {
  /** The file below src, and the line the function starts in. */
  readonly where: string;
  readonly name: string;
  readonly lines: number;
}

/** All functions of a TypeScript file, without the comments before them. */
export function functionsOf(path: string, text: string): readonly FunctionLength[] {
  const functions: FunctionLength[] = [];
  /** What a function is the value of, which names it. */
  const named = new Map<Node, { readonly name: string; readonly start: number }>();
  const add = (node: Node): void => {
    const { name, start } = named.get(node) ?? { name: '(without a name)', start: node.start };
    const line = text.slice(0, start).split('\n').length;
    functions.push({ where: `${path}:${line}`, name, lines: linesOf(text.slice(start, node.end)) });
  };
  const visitor = new Visitor({
    MethodDefinition: ({ key, value, start }) => {
      named.set(value, { name: text.slice(key.start, key.end), start });
    },
    PropertyDefinition: ({ key, value, start }) => {
      if (value !== null) named.set(value, { name: text.slice(key.start, key.end), start });
    },
    Property: ({ key, value, start }) => {
      named.set(value, { name: text.slice(key.start, key.end), start });
    },
    VariableDeclarator: ({ id, init, start }) => {
      if (init !== null) named.set(init, { name: text.slice(id.start, id.end), start });
    },
    FunctionDeclaration: (node) => {
      if (node.id !== null) named.set(node, { name: node.id.name, start: node.start });
      add(node);
    },
    FunctionExpression: add,
    ArrowFunctionExpression: add,
  });
  visitor.visit(parse(path, text));
  return functions;
}

/** The fields of the classes in a TypeScript file that change after their object was made, as `Class.field`. */
export function mutableFieldsOf(path: string, text: string): readonly string[] {
  const fields: string[] = [];
  const visitor = new Visitor({
    ClassDeclaration: ({ id, body }) => {
      for (const member of body.body) {
        if (member.type !== 'PropertyDefinition' || member.readonly || member.static) continue;
        fields.push(`${id?.name ?? ''}.${text.slice(member.key.start, member.key.end)}`);
      }
    },
  });
  visitor.visit(parse(path, text));
  return fields;
}

function parse(path: string, text: string) {
  const { program, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new SyntaxError(`${path}: ${error.message}`);
  return program;
}
