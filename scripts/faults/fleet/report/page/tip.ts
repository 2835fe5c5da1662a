/// <reference lib="dom" />
const AWAY_PX = 14;

/** Tells of whatever the pointer is on, as far as that has something to tell. */
export class Tip {
  readonly #tip: HTMLElement;

  constructor(box: HTMLElement) {
    this.#tip = document.createElement('div');
    this.#tip.className = 'tip';
    this.#tip.setAttribute('role', 'status');
    this.#tip.hidden = true;
    document.body.append(this.#tip);
    box.addEventListener('pointermove', (event) => this.#follow(event));
    box.addEventListener('pointerleave', () => {
      this.#tip.hidden = true;
    });
  }

  #follow({ target, clientX, clientY }: PointerEvent): void {
    const text = target instanceof Element ? target.getAttribute('data-tip') : null;
    this.#tip.hidden = text === null;
    if (text === null) return;
    this.#tip.textContent = text;
    const { offsetWidth, offsetHeight } = this.#tip;
    const { clientWidth, clientHeight } = document.documentElement;
    const left =
      clientX + AWAY_PX + offsetWidth > clientWidth ? clientX - AWAY_PX - offsetWidth : clientX + AWAY_PX;
    const top =
      clientY + AWAY_PX + offsetHeight > clientHeight ? clientY - AWAY_PX - offsetHeight : clientY + AWAY_PX;
    this.#tip.style.left = `${Math.max(4, left)}px`;
    this.#tip.style.top = `${Math.max(4, top)}px`;
  }
}
