// The numbered tabs: their texts, who is who in the window of the second person, and the numbers.

// The development numbers of the two people.
const SECOND = {
  "+14155550101": "+14155550102",
  "+14155550102": "+14155550101",
  '"Alice"': '"Bob"',
};
const NAME = /^(?:query|mutation|subscription) (\w+)/m;

export const second = new URLSearchParams(location.search).get("as") === "bob";

export function readTabs() {
  const tabs = JSON.parse(document.getElementById("tabs").textContent);
  const swap = (text) => text.replace(/\+1415555010[12]|"Alice"/g, (found) => SECOND[found]);
  return tabs.map((tab) => ({
    ...tab,
    name: tab.query.match(NAME)[1],
    variables: second ? swap(tab.variables) : tab.variables,
  }));
}

// Tabs are known by the operation's name, so the numbers stay right when some are closed or moved.
export function numberTabs(tabs) {
  const steps = Object.fromEntries(tabs.map(({ name, step }) => [name, step]));
  const bar = document.querySelector(".graphiql-tabs");
  if (!bar) {
    requestAnimationFrame(() => numberTabs(tabs));
    return;
  }
  const write = () => {
    for (const tab of bar.children) {
      const step = steps[tab.querySelector("button")?.textContent.trim()] ?? "";
      if (tab.dataset.step !== String(step)) tab.dataset.step = step;
    }
  };
  new MutationObserver(write).observe(bar, { childList: true, characterData: true, subtree: true });
  write();
}
