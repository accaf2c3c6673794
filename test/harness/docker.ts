/**
 * Engines in Docker, through testcontainers, where a daemon answers.
 *
 * Their ports are fixed, and the same inside and outside: what an engine advertises is then right for everyone, and stays right when it is killed
 * and started again, while ports that Docker chooses are chosen anew. Containers are removed by testcontainers' own reaper when a run is killed.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { OwnEngine } from '#test/harness/own-engine.ts';

const startMsMax = 300_000;
const readyMsMax = 60_000;
const pollMs = 50;

export type ContainerPlan = {
  /** With its tag. */
  readonly image: string;
  readonly ports: readonly number[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly readyLine: RegExp;
  readonly answers: (host: string) => Promise<boolean>;
};

/** The name or address under which published ports are reached, or undefined where no daemon answers. */
export async function dockerHost(): Promise<string | undefined> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  return getContainerRuntimeClient().then(
    ({ info }) => info.containerRuntime.host,
    () => undefined,
  );
}

/** Starts a container and resolves when it has said its line and answers; pulls the image where it is not there yet. */
export async function startContainer(host: string, plan: ContainerPlan): Promise<OwnEngine> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const described = new GenericContainer(plan.image)
    .withExposedPorts(...plan.ports.map((port) => ({ container: port, host: port })))
    .withEnvironment({ ...plan.environment })
    .withWaitStrategy(Wait.forLogMessage(plan.readyLine))
    .withStartupTimeout(startMsMax);
  const started = await (plan.command === undefined ? described : described.withCommand([...plan.command])).start();
  const { container: client } = await getContainerRuntimeClient();
  const container = client.getById(started.getId());

  const untilAnswers = async (): Promise<void> => {
    const deadline = performance.now() + readyMsMax;
    while (!(await plan.answers(host))) {
      if (performance.now() > deadline) throw new Error(`${plan.image} does not answer after ${readyMsMax} ms`);
      await delay(pollMs);
    }
  };
  await untilAnswers();
  return {
    took: `Docker (${plan.image})`,
    kill: async () => {
      await container.kill();
      await container.wait();
    },
    stop: async () => {
      await container.stop();
    },
    start: async () => {
      await container.start();
      await untilAnswers();
    },
    freeze: async () => {
      await container.pause();
    },
    thaw: async () => {
      await container.unpause();
    },
    remove: async () => {
      await started.stop({ timeout: 0 });
    },
  };
}
