/**
 * What charts need of the document around them. The colours of series are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which
 * people with any kind of colour vision can tell apart, darker on light ground and lighter on dark.
 */
export const COLOURS = `
:root {
  color-scheme: light dark;
  --ground: #fff; --ink: #1f2328; --quiet: #57606a; --edge: #d0d7de; --mark: #6e7781;
  --series-1: #0072b2; --series-2: #b25000; --series-3: #00785a;
  --series-4: #a3417f; --series-5: #8a6d00; --series-6: #2b2f36;
  --series-7: #c4342b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --ink: #e6e8eb; --quiet: #a0a8b1; --edge: #3a4048; --mark: #98a1ab;
    --series-1: #56b4e9; --series-2: #f09a3e; --series-3: #2fc49a;
    --series-4: #e29ac6; --series-5: #f0e442; --series-6: #dfe3e8;
    --series-7: #ff8a80;
  }
}`;

/** How a page looks. */
export const STYLE = `${COLOURS}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 780px; margin: 0 auto; padding: 24px 16px 64px; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.3rem; margin: 56px 0 8px; padding-top: 16px; border-top: 1px solid var(--edge); }
h3 { font-size: 1rem; margin: 0 0 8px; }
p { margin: 0 0 12px; }
.quiet, figcaption { color: var(--quiet); }
figcaption { margin-top: 8px; font-size: 0.92rem; }
figure { margin: 28px 0 36px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 0 6px; padding: 0; list-style: none; font-size: 0.85rem; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend svg { flex: none; }
.key { color: var(--quiet); }
.drawing svg { display: block; max-width: 100%; height: auto; --plot-background: var(--ground); }
.narrow { display: none; }
@media (max-width: 759px) { .wide { display: none; } .narrow { display: block; } }
.table { overflow-x: auto; margin: 0 0 32px; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 18px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--edge); }
th { font-weight: 600; color: var(--quiet); vertical-align: bottom; white-space: normal; }
.text, th:first-child, td:first-child { text-align: left; }
.agrees { border-left: 4px solid var(--series-3); padding-left: 12px; }
.differs { border-left: 4px solid var(--series-2); padding-left: 12px; }
@media print { main { max-width: none; } }
`;
