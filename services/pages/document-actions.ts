/**
 * What one can do with documents as a whole: take the link to this one, and open another.
 */

import { pageAddress, parseName, suggestName } from './document-name.ts';
import { element } from './elements.ts';

/** How long the button says that the link was copied, in milliseconds. */
const copiedMs = 2_000;

/** Makes "Copy link" copy the address of this document's page. */
export function offerLink(name: string): void {
  const button = element('copy-link', HTMLButtonElement);
  const label = element('copy-link-label', HTMLSpanElement);
  const offer = label.textContent;
  let resetting: ReturnType<typeof setTimeout> | undefined;
  const say = (text: string): void => {
    label.textContent = text;
    button.classList.toggle('told', text !== offer);
    clearTimeout(resetting);
    if (text !== offer) resetting = setTimeout(say, copiedMs, offer);
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    const address = new URL(pageAddress(name), location.href).href;
    // Browsers lend the clipboard to secure pages only; elsewhere the address bar holds the same link.
    if (isSecureContext)
      void navigator.clipboard.writeText(address).then(
        () => say('Copied'),
        () => say('Copy it from the address bar'),
      );
    else say('Copy it from the address bar');
  });
}

/** Makes "New document" ask for a name, with one at hand, and open the document of that name. */
export function offerNewDocument(): void {
  const dialog = element('new-document', HTMLDialogElement);
  const form = element('new-document-form', HTMLFormElement);
  const input = element('new-document-name', HTMLInputElement);
  const refusal = element('new-document-refusal', HTMLParagraphElement);
  const check = (): string | undefined => {
    const parsed = parseName(input.value.trim());
    refusal.textContent = 'refusal' in parsed ? parsed.refusal : '';
    input.ariaInvalid = String('refusal' in parsed);
    return 'name' in parsed ? parsed.name : undefined;
  };
  element('open-new-document', HTMLButtonElement).addEventListener('click', () => {
    input.value = suggestName(Math.random);
    check();
    dialog.showModal();
    input.select();
  });
  input.addEventListener('input', check);
  element('cancel-new-document', HTMLButtonElement).addEventListener('click', () => dialog.close());
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const name = check();
    if (name !== undefined) location.assign(pageAddress(name));
  });
}
