// Buttons that copy a text. They are shown only where the browser allows it.

export function enableCopyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll('button[data-copy][hidden]')) button.hidden = false;
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('button[data-copy]');
  if (!button) return;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
  } catch {
    // The browser refused. The text beside the button can be selected by hand.
    return;
  }
  setTimeout(() => {
    button.textContent = label;
  }, 2_000);
});
