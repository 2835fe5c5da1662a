/**
 * Names a class of errors, and its errors, by a literal: a minifier's name of the class would be printed in its place.
 * The first line of a stack, which is made before a constructor could set a name, has it too.
 */
export function named(errorClass: { readonly prototype: Error }, name: string): void {
  Object.defineProperty(errorClass, 'name', { value: name, configurable: true });
  Object.defineProperty(errorClass.prototype, 'name', { value: name, configurable: true, writable: true });
}
