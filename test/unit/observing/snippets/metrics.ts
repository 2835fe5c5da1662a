import { createServer } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { Redlock } from '../../../../src/index.ts';
import { instrument } from '../../../../src/otel/index.ts';

export function serveMetrics(redlock: Redlock) {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const telemetry = instrument({
    meterProvider: new MeterProvider({ readers: [exporter] }),
    lockName: ([first = '']) => first.split(':')[0],
  });
  telemetry.observe(redlock);
  return createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
}
