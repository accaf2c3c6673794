/**
 * The status, shown and announced.
 *
 * "Saved" is the one word that may come late but never early: while someone types, it would flash up between any two keys. So it waits for
 * a moment of quiet; everything else shows at once.
 */

import { element } from './elements.ts';
import { announceConnection, describeStatus, type Status } from './status.ts';
import type { SessionState } from './session.ts';

/** How long everything must have been saved before the page says so, in milliseconds. */
const quietMs = 250;

/** Returns the function that takes each new state of the session to the page. */
export function statusLine(): (state: SessionState) => void {
  const status = element('status', HTMLParagraphElement);
  const notice = element('notice', HTMLParagraphElement);
  const announcement = element('announcement', HTMLParagraphElement);
  let saying: ReturnType<typeof setTimeout> | undefined;
  let heard: string | undefined;

  const show = ({ tone, text }: Status): void => {
    status.dataset['tone'] = tone;
    status.textContent = text;
  };
  return ({ connection, kept, problem }) => {
    const next = describeStatus(connection, kept);
    clearTimeout(saying);
    if (next.tone === 'steady' && status.textContent !== next.text) saying = setTimeout(show, quietMs, next);
    else show(next);

    notice.hidden = problem === undefined;
    if (notice.textContent !== (problem ?? '')) notice.textContent = problem ?? '';

    if (connection.kind !== heard) announcement.textContent = announceConnection(connection, kept);
    heard = connection.kind;
  };
}
