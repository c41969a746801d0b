// @ts-check
// Why a build failed: the part `#failure` of its page, from a page of its own, which takes longer to make.

/** Fetches it once, when the build has failed; without an answer what is there stays, with its link. */
export async function showFailure() {
  const section = document.getElementById("failure");
  const address = section?.dataset.href;
  if (!section || !address || section.dataset.asked) return;
  section.dataset.asked = "1";
  try {
    const answer = await fetch(address);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("failure");
    if (fresh) section.replaceWith(document.importNode(fresh, true));
  } catch {
    delete section.dataset.asked; // no connection: it may be asked again
  }
}
