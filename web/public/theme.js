// Runs before the first paint; without a choice, or where the browser keeps none, its own preference holds.
try {
  const chosen = localStorage.getItem("mlx-gui:theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Its storage is blocked.
}
