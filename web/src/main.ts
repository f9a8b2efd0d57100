import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";

import { mount } from "svelte";

import App from "./app.svelte";
import { speak } from "./lib/i18n";

const target = document.getElementById("app");
if (target) void speak().then(() => mount(App, { target }));
