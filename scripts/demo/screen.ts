import { LiveScreen } from './live-screen.ts';
import { PlainScreen } from './plain-screen.ts';
import type { Screen, View } from './view.ts';

/** One that is drawn again and again where a terminal can do that, and plain lines elsewhere. */
export function openScreen(view: View, output: NodeJS.WriteStream): Screen {
  const { TERM } = process.env;
  return output.isTTY && TERM !== 'dumb' ? new LiveScreen(view, output) : new PlainScreen(view, output);
}
