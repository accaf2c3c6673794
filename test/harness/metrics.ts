/** Reads one number from a server's `/metrics`. */

/** The sum of a metric over its labels; 0 where nothing was counted yet. Throws where there is no such metric at all. */
export async function readMetric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const samples = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  if (samples.length === 0 && !text.includes(`# TYPE ${name} `)) throw new Error(`no metric is called ${name}`);
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
