/**
 * Does a Kafka broker answer here? A port that accepts is not a broker yet: the listener is open long before requests are served. So one request is made
 * by hand, the one that every broker of every version understands (ApiVersions 0; Kafka protocol guide), and its answer looked at.
 */

import { connect } from 'node:net';

const answerMsMax = 2_000;
const correlationId = 0x696e6b;

const apiVersionsRequest = ((): Buffer => {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0); // bytes that follow
  request.writeInt16BE(18, 4); // ApiVersions
  request.writeInt16BE(0, 6);
  request.writeInt32BE(correlationId, 8);
  request.writeInt16BE(-1, 12); // no client id
  return request;
})();

/** Whether a broker answers at `host:port`, within two seconds. Never rejects. */
export function kafkaAnswers(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`kafka://${address}`);
  return new Promise((settle) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const end = (answered: boolean): void => {
      socket.destroy();
      settle(answered);
    };
    let answer = Buffer.alloc(0);
    socket
      .once('connect', () => socket.write(apiVersionsRequest))
      .on('data', (chunk) => {
        answer = Buffer.concat([answer, chunk]);
        if (answer.length >= 10) end(answer.readInt32BE(4) === correlationId && answer.readInt16BE(8) === 0);
      })
      .once('error', () => end(false))
      .once('close', () => end(false))
      .setTimeout(answerMsMax, () => end(false));
  });
}
