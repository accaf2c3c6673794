/**
 * Metrics in Prometheus' form, by prom-client. Parts count in plain numbers on their hot paths and are asked for them at each scrape.
 */

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export { Histogram, Registry };

/** A registry with the process's own metrics (CPU, memory, event loop delay) in it. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** A counter that reads `value` at each scrape. `value` must never fall. */
export function countFrom(registry: Registry, name: string, help: string, value: () => number): void {
  registry.registerMetric(
    new Counter({
      name,
      help,
      registers: [],
      collect() {
        this.reset();
        this.inc(value());
      },
    }),
  );
}

/** A counter for each kind in `values`, read at each scrape. */
export function countKindsFrom(registry: Registry, name: string, help: string, values: () => ReadonlyMap<string, number>): void {
  registry.registerMetric(
    new Counter({
      name,
      help,
      labelNames: ['kind'],
      registers: [],
      collect() {
        this.reset();
        for (const [kind, count] of values()) this.inc({ kind }, count);
      },
    }),
  );
}

/** A gauge that reads `value` at each scrape. */
export function gaugeFrom(registry: Registry, name: string, help: string, value: () => number): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(value());
      },
    }),
  );
}

/** A histogram; `observe` costs well under a microsecond. */
export function histogram(registry: Registry, name: string, help: string, buckets: readonly number[]): Histogram {
  return new Histogram({ name, help, buckets: [...buckets], registers: [registry] });
}
