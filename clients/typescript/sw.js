// A service worker that shows what Parley pushes (docs/push.md), and takes it back when it was read
// elsewhere. Serve it from the root of your site, and register it: navigator.serviceWorker.register("/sw.js").
// Change `pathOf` to where your app shows a channel.

const pathOf = (push) => `/chats/${push.channel}`;

self.addEventListener("push", (event) => {
  event.waitUntil(take(event.data.json()));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});

async function take(push) {
  await setBadge(Number(push.badge ?? 0));
  switch (push.action) {
    case "show":
      return show(push);
    case "clear": {
      const shown = await self.registration.getNotifications({ tag: push.thread });
      return shown.forEach((notification) => notification.close());
    }
    default:
      // What a later server asks for. Browsers want to see something for each push.
      if (push.title) await show(push);
  }
}

function show(push) {
  return self.registration.showNotification(push.title, {
    body: push.body ?? "",
    tag: push.thread,
    // A push that replaces one of the same channel makes a sound again, unless it is to be quiet.
    renotify: push.quiet !== "true",
    silent: push.quiet === "true",
    timestamp: push.sentAt ? Date.parse(push.sentAt) : Date.now(),
    data: { channel: push.channel, message: push.message },
  });
}

async function setBadge(count) {
  if (count > 0) await self.navigator.setAppBadge?.(count);
  else await self.navigator.clearAppBadge?.();
}

/** Go to a window of the app that is open, or open one. */
async function open(push) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const [shown] = windows;
  if (shown === undefined) return self.clients.openWindow(pathOf(push));
  await shown.focus();
  return shown.navigate(pathOf(push));
}
