import type { ReportData } from '../format.ts';

const NODE_HEIGHT = 24;
const CALLER_HEIGHT = 13;
const GAP = 10;
const TOP = 30;
const FAULTS_HEIGHT = 38;
const LATENCY_HEIGHT = 120;
const NARROW = 640;

/** A row of the timeline: a node, or a caller of a worker. */
export interface Row {
  readonly lane: string;
  readonly name: string;
  readonly group: 'node' | 'worker';
  readonly top: number;
  readonly height: number;
  readonly index: number;
}

/** Where everything stands, in pixels. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Between these times run. */
  readonly left: number;
  readonly right: number;
  readonly rows: readonly Row[];
  readonly lanes: readonly { readonly name: string; readonly top: number; readonly height: number }[];
  readonly faults: { readonly top: number; readonly height: number };
  readonly latency: { readonly top: number; readonly height: number };
}

export function layoutOf(data: ReportData, width: number): Layout {
  const left = width < NARROW ? 84 : 132;
  const rows: Row[] = [];
  const lanes: { name: string; top: number; height: number }[] = [];
  let top = TOP + FAULTS_HEIGHT + GAP;
  let group: string | undefined;
  for (const lane of data.lanes) {
    if (group !== undefined && group !== lane.group) top += GAP;
    group = lane.group;
    const height = lane.group === 'node' ? NODE_HEIGHT : CALLER_HEIGHT;
    lanes.push({ name: lane.name, top, height: height * lane.rows.length });
    lane.rows.forEach(({ name }, index) => {
      rows.push({ lane: lane.name, name, group: lane.group, top: top + index * height, height, index });
    });
    top += height * lane.rows.length + (lane.group === 'node' ? 3 : GAP);
  }
  const latency = { top: top + 34, height: LATENCY_HEIGHT };
  return {
    width,
    height: latency.top + LATENCY_HEIGHT + 30,
    left,
    right: width - 16,
    rows,
    lanes,
    faults: { top: TOP, height: FAULTS_HEIGHT },
    latency,
  };
}
