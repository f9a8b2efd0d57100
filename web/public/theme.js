// Runs before the first paint; without a choice the browser's own preference holds.
const chosen = localStorage.getItem("mlx-gui:theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
