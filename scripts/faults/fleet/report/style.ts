/**
 * How the page looks. The colours are made of those of M. Okabe and K. Ito, "Color Universal Design" (2008), which
 * people with any kind of colour vision can tell apart.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fff; --row: #f4f6f8; --ink: #1f2328; --quiet: #57606a; --edge: #d0d7de;
  --up: #cfe8dd; --paused: #e69f00; --down: #2b2f36; --cut: #b14b8a; --slow: #f2d06b; --full: #a87b5a;
  --quarantined: #7db8e8; --clock-off: #d55e00; --waiting: #aab4bf; --holding: #00785a; --lost: #d5263c;
  --fault: #d55e00; --outage: rgba(213, 38, 60, 0.1); --good: #00785a; --bad: #c02434;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --row: #1b1f25; --ink: #e6e8eb; --quiet: #a0a8b1; --edge: #3a4048;
    --up: #1f4a3c; --paused: #e69f00; --down: #f4f6f8; --cut: #d884b8; --slow: #b8952f; --full: #c79a78;
    --quarantined: #3f83bd; --clock-off: #f07a2a; --waiting: #5c6672; --holding: #2fc49a; --lost: #ff6b7a;
    --fault: #f07a2a; --outage: rgba(255, 107, 122, 0.14); --good: #2fc49a; --bad: #ff6b7a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 24px 20px 64px; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 1.15rem; margin: 32px 0 8px; }
p { margin: 0 0 10px; }
.quiet { color: var(--quiet); }
code { font-size: 0.9em; }
.verdict { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; margin: 18px 0 14px; padding: 10px 14px;
  border-left: 5px solid var(--good); background: var(--row); font-size: 1.1rem; font-weight: 600; }
.verdict.broken { border-color: var(--bad); }
.verdict ul { flex-basis: 100%; margin: 0; padding-left: 20px; font-size: 0.9rem; font-weight: 400; }
.verdict p { flex-basis: 100%; margin: 0; font-size: 0.9rem; font-weight: 400; }
.rows { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 0 32px; margin: 0; }
.rows div { display: flex; gap: 12px; justify-content: space-between; padding: 4px 0; border-bottom: 1px solid var(--edge);
  font-size: 0.87rem; }
.rows dt { color: var(--quiet); }
.rows dd { margin: 0; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.rows dd::after { display: inline-block; width: 1.3em; content: ''; }
.rows .good dd::after { content: '✓'; color: var(--good); font-weight: 700; }
.rows .bad dd::after { content: '✗'; color: var(--bad); font-weight: 700; }
.tools { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center; position: sticky; top: 0; padding: 8px 0;
  background: var(--ground); z-index: 1; }
button { font: inherit; font-size: 0.85rem; padding: 3px 11px; color: inherit; background: var(--row);
  border: 1px solid var(--edge); border-radius: 6px; cursor: pointer; }
button:hover { border-color: var(--quiet); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0; padding: 0; list-style: none; font-size: 0.8rem; }
.legend li { display: flex; gap: 5px; align-items: center; }
.legend i { width: 14px; height: 10px; border-radius: 2px; background: var(--swatch); }
.legend i.line { height: 3px; }
#timeline { width: 100%; }
#timeline:focus-visible { outline: 2px solid var(--quarantined); outline-offset: 4px; }
svg { display: block; overflow: hidden; cursor: grab; user-select: none; }
svg:active { cursor: grabbing; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
.lane { font-weight: 600; }
svg .caller { fill: var(--quiet); font-size: 10px; text-anchor: end; }
svg .kind { fill: var(--quiet); font-size: 10px; }
.row { fill: var(--row); }
.row.odd { fill: transparent; }
.outage { fill: var(--outage); }
.fault { fill: var(--fault); }
.strike { stroke: var(--fault); stroke-width: 1.2; pointer-events: none; }
.up { fill: var(--up); } .paused, .stopped { fill: var(--paused); } .down, .dead { fill: var(--down); }
.cut { fill: var(--cut); } .slow { fill: var(--slow); } .full { fill: var(--full); }
.quarantined { fill: var(--quarantined); } .clock-off { fill: var(--clock-off); }
.waiting { fill: var(--waiting); } .holding { fill: var(--holding); } .lost, .refused { fill: var(--lost); }
.stopped { fill-opacity: 0.55; } .dead { fill-opacity: 0.7; }
.span:hover { stroke: var(--ink); stroke-width: 1; }
.tick { stroke: var(--edge); }
svg .time { font-size: 10px; text-anchor: middle; }
.p50 { fill: none; stroke: var(--holding); stroke-width: 1.6; }
.p99 { fill: var(--fault); }
.tip { position: fixed; z-index: 2; max-width: 380px; padding: 7px 10px; white-space: pre-line; pointer-events: none;
  font-size: 0.82rem; line-height: 1.4; color: var(--ground); background: var(--ink); border-radius: 6px; }
.tip[hidden] { display: none; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 12px; font-size: 0.8rem; background: var(--row); }
`;
