/**
 * Names a class of errors, and its errors, by a literal: what a minifier calls the class would be printed in its place. Also the first line
 * of a stack, which is made before a constructor could set a name, has it.
 */
export function named(errorClass: { readonly prototype: Error }, name: string): void {
  Object.defineProperty(errorClass, 'name', { value: name, configurable: true });
  Object.defineProperty(errorClass.prototype, 'name', { value: name, configurable: true, writable: true });
}
