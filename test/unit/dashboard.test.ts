import { readFile } from 'node:fs/promises';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { parser } from '@prometheus-io/lezer-promql';
import { beforeAll, describe, expect, it } from 'vitest';
import { instrument } from '../../src/otel/index.ts';
import { World } from './world.ts';

/** What a scrape adds to the labels of the exporter. */
const SCRAPED = ['job', 'instance'];

/** What Grafana puts in the place of its variables. */
const VARIABLES: Readonly<Record<string, string>> = {
  $__rate_interval: '5m',
  $__range: '1h',
  $job: '.*',
  $name: '.*',
};

interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

/** The labels of every series that a scrape has, by its name. */
type Scrape = ReadonlyMap<string, ReadonlySet<string>>;

/** Has everything happen that is measured, and scrapes it as Prometheus does. */
async function scrapeAll(): Promise<Scrape> {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  using telemetry = instrument({ meterProvider, lockName: ([first]) => first });
  const world = new World(3);
  const redlock = world.redlock();
  telemetry.observe(redlock);

  const settled = async (call: Promise<unknown>, ms = 100) => {
    const settling = call.catch(() => undefined);
    await world.clock.advance(ms);
    await settling;
  };
  await settled(redlock.using('order', (lock) => lock.extend()));
  await settled(redlock.acquire('order', { ttl: 1_000 }), 2_000);
  for (const server of world.servers) server.crash();
  await settled(redlock.acquire('order', { waitTime: 0 }), 5_000);
  const collecting = exporter.collect();
  await world.clock.advance(100);
  const { resourceMetrics } = await collecting;
  const scrape = new Map<string, Set<string>>();
  for (const line of new PrometheusSerializer().serialize(resourceMetrics).split('\n')) {
    const [, name, labels = ''] = /^(\w+)\{(.*)\} \S+$/.exec(line) ?? [];
    if (name === undefined) continue;
    const known = scrape.get(name) ?? new Set(SCRAPED);
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    scrape.set(name, known);
  }
  await meterProvider.shutdown();
  return scrape;
}

interface Query {
  readonly faults: readonly string[];
  readonly metrics: readonly string[];
}

/** What is wrong with a query of Prometheus, and which metrics it uses. */
function check(expr: string, scrape: Scrape, legend: string): Query {
  const text = expr.replaceAll(/\$\w+/g, (variable) => VARIABLES[variable] ?? variable);
  const faults: string[] = [];
  const metrics: string[] = [];
  const labels = new Set<string>();
  const tree = parser.parse(text);
  const read = ({ from, to }: { readonly from: number; readonly to: number }) => text.slice(from, to);
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) faults.push(`it is no query at ${node.from}: ${text}`);
      if (node.name !== 'VectorSelector') return;
      const { found, used } = selected(read(node), scrape);
      if (found.length === 0) faults.push(`nothing is called ${read(node)}`);
      metrics.push(...found);
      for (const name of found) {
        const known = scrape.get(name);
        for (const label of known ?? []) labels.add(label);
        for (const label of used)
          if (known?.has(label) === false) faults.push(`${name} has no label ${label}`);
      }
    },
  });
  tree.iterate({
    enter: (node) => {
      if (node.name !== 'GroupingLabels') return;
      for (const [label] of read(node).matchAll(/\w+/g))
        if (!labels.has(label)) faults.push(`there is no label ${label} to group by`);
    },
  });
  for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g))
    if (!labels.has(label)) faults.push(`there is no label ${label} for a legend`);
  return { faults, metrics };
}

/** The metrics that a selector finds, and the labels that it looks at. */
function selected(selector: string, scrape: Scrape) {
  const [, name = '', matchers = ''] = /^(\w*)(?:\{(.*)\})?$/s.exec(selector) ?? [];
  const parts = [...matchers.matchAll(/(\w+)\s*(=~|!~|=|!=)\s*"([^"]*)"/g)];
  const [, , , pattern] = parts.find(([, label]) => label === '__name__') ?? [];
  const isFound = pattern === undefined ? (each: string) => each === name : matcherOf(pattern);
  const used = parts.flatMap(([, label = '']) => (label === '__name__' ? [] : [label]));
  return { found: [...scrape.keys()].filter(isFound), used };
}

function matcherOf(pattern: string) {
  const regex = new RegExp(`^(?:${pattern})$`);
  return (name: string) => regex.test(name);
}

describe('docs/grafana-dashboard.json', () => {
  let dashboard: Dashboard;
  let scrape: Scrape;
  beforeAll(async () => {
    const file = new URL('../../docs/grafana-dashboard.json', import.meta.url);
    dashboard = JSON.parse(await readFile(file, 'utf8'));
    scrape = await scrapeAll();
  });

  it('asks for metrics and labels that the exporter gives, in queries that Prometheus understands', () => {
    const faults = dashboard.panels.flatMap(({ title, targets }) =>
      targets.flatMap(({ expr, legendFormat }) =>
        check(expr, scrape, legendFormat).faults.map((fault) => `${title}: ${fault}`),
      ),
    );
    expect(faults).toEqual([]);
  });

  it('shows every metric', () => {
    const shown = new Set(
      dashboard.panels.flatMap(({ targets }) =>
        targets.flatMap(({ expr, legendFormat }) => check(expr, scrape, legendFormat).metrics),
      ),
    );
    const all = [...scrape.keys()].filter((name) => name.startsWith('quorlock_'));
    const families = new Set(all.map(familyOf));
    expect(families.size).toBe(10);
    expect(new Set([...shown].map(familyOf))).toEqual(families);
  });

  it('has variables of labels that are there', () => {
    const queries = dashboard.templating.list.map(({ query }) => JSON.stringify(query));
    const [job, name] = queries.flatMap((query) => [...query.matchAll(/label_values\((\w+), (\w+)\)/g)]);
    for (const [, metric = '', label = ''] of [job ?? [], name ?? []]) {
      expect(scrape.get(metric)).toContain(label);
    }
  });

  it('has panels that do not lie on each other, on a grid of 24', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...dashboard.panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
  });
});

describe('a query with a fault is found', () => {
  const scrape: Scrape = new Map([['quorlock_lock_held', new Set(['job', 'mode'])]]);

  it.each([
    ['a metric that is none', 'sum(quorlock_lock_kept)', '', 'nothing is called quorlock_lock_kept'],
    ['a label that is none', 'quorlock_lock_held{node="a"}', '', 'quorlock_lock_held has no label node'],
    ['a group that is none', 'sum by (node) (quorlock_lock_held)', '', 'there is no label node to group by'],
    ['a legend that is none', 'quorlock_lock_held', '{{node}}', 'there is no label node for a legend'],
    [
      'a pattern of names',
      '{__name__=~"quorlock_lock_kept.*"}',
      '',
      'nothing is called {__name__=~"quorlock_lock_kept.*"}',
    ],
  ])('%s', (_, expr, legend, fault) => expect(check(expr, scrape, legend).faults).toEqual([fault]));

  it('no query', () => expect(check('sum(', scrape, '').faults[0]).toMatch(/no query/));

  it('and one without is not', () => {
    const expr = 'sum by (mode) (rate(quorlock_lock_held{job=~"$job"}[$__rate_interval]))';
    expect(check(expr, scrape, '{{mode}}')).toEqual({ faults: [], metrics: ['quorlock_lock_held'] });
  });
});

/** A histogram has three series, and a count is no more than its name. */
function familyOf(name: string): string {
  return name.replace(/_(?:bucket|count|sum|total)$/, '');
}
