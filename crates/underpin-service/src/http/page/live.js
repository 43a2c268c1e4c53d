// Follows what happens and puts the page's new <main> in the place of the old one.
(() => {
  const body = document.body.dataset;
  const main = () => document.querySelector("main");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  let busy = false, again = false;

  async function refresh() {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      try {
        // Without the login that an address may have in it.
        const here = location.origin + location.pathname + location.search;
        const answer = await fetch(here, { cache: "no-store" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.querySelector("main");
        if (answer.status < 500 && next) main().replaceWith(document.adoptNode(next));
      } catch {
        again = true;
      }
      await pause(300);
    }
    busy = false;
  }

  // Goes on where it stopped by itself; begins anew when the service says that it cannot.
  function followProject() {
    const source = new EventSource(body.events + "?after=" + main().dataset.number);
    for (const type of body.types.split(" ")) source.addEventListener(type, refresh);
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) return;
      await pause(5000);
      await refresh();
      if (main().dataset.number) followProject();
    };
  }

  function followAll() {
    const socket = new WebSocket(location.origin.replace(/^http/, "ws") + body.socket);
    socket.onopen = socket.onmessage = refresh;
    socket.onclose = async () => {
      await pause(2000);
      followAll();
    };
  }

  if (body.events) followProject();
  if (body.socket) followAll();
})();
