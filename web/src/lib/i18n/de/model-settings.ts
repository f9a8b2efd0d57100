import type { modelSettings as english } from "../en/model-settings";

export const modelSettings: typeof english = {
  context_tokens: {
    label: "Längster Kontext",
    help: "Eingabe und Antwort zusammen. Nie mehr, als wofür das Modell gemacht ist, und nie mehr, als in den Speicher passt. Mit `auto` ist es der längste bis 65.536 Token in einem Achtel des Budgets.",
  },
  slots: {
    label: "Antworten gleichzeitig",
    help: "So viele Anfragen werden zusammen beantwortet; andere warten.",
  },
  keep_alive_s: {
    label: "Bleibt geladen",
    help: "Wie lange das Modell nach seiner letzten Anfrage im Speicher bleibt. 0 entlädt es sofort, -1 nie.",
  },
  pinned: {
    label: "Anheften",
    help: "Einmal geladen bleibt das Modell im Speicher: Es macht keinem anderen Platz und läuft nicht ab.",
  },
  priority: {
    label: "Vorrang",
    help: "Braucht ein anderes Modell Platz, gehen die mit der kleineren Zahl zuerst. Von -10 bis 10.",
  },
  preload: { label: "Beim Start laden", help: "Das Modell wird geladen, wenn der Server startet." },
  memory_limit_bytes: {
    label: "Höchstens Speicher",
    help: "Was das Modell nehmen darf, seine Caches eingeschlossen. 0 überlässt es der Maschine.",
  },
  temperature: {
    label: "Temperatur",
    help: "Wie frei Wörter gewählt werden, wo eine Anfrage nichts sagt. 0 nimmt jedes Mal das wahrscheinlichste.",
  },
  top_p: {
    label: "Top p",
    help: "Gewählt wird nur unter den wahrscheinlichsten Token, so vielen, wie zusammen diese Chance haben.",
  },
  top_k: {
    label: "Top k",
    help: "Gewählt wird nur unter so vielen der wahrscheinlichsten Token. 0 heißt unter allen.",
  },
  min_p: {
    label: "Min p",
    help: "Gewählt wird nur unter Token mit wenigstens diesem Teil der Chance des wahrscheinlichsten.",
  },
  repetition_penalty: {
    label: "Strafe für Wiederholung",
    help: "Je mehr sie über 1 liegt, desto seltener kommt wieder, was schon da war. 1 tut nichts.",
  },
  reasoning: {
    label: "Nachdenken",
    help: "Ob das Modell nachdenkt, bevor es antwortet, wo eine Anfrage nichts sagt.",
    choices: { on: "an", off: "aus", model: "wie das Modell es von selbst tut" },
  },
  tool_prompt: {
    label: "Werkzeuge ohne Vorlage",
    help: "Was aus den Werkzeugen einer Anfrage wird, wo die Chat-Vorlage keine kennt.",
    choices: { generic: "in der Eingabe beschrieben", refuse: "mit einem Fehler abgelehnt" },
  },
  truncate: {
    label: "Zu Langes kürzen",
    help: "Die ältesten Teile eines Gesprächs, das länger als der Kontext ist, fallen weg, und das Ende eines Textes, der verglichen oder geordnet wird.",
  },
  vision: {
    label: "Bilder",
    help: "Ob ein Modell, das sehen kann, mit dem geladen wird, womit es sieht. Ohne das braucht es weniger Speicher.",
    choices: { auto: "wo es sehen kann", off: "nur Text" },
  },
  chat_template: {
    label: "Chat-Vorlage",
    help: "Macht aus einem Gespräch eine einzige Eingabe. Bearbeitet wird sie unter Vorlage, wo sie erprobt und mit der eigenen des Modells verglichen wird.",
  },
  template_arguments: {
    label: "Angaben für die Vorlage",
    help: "Weitere Variablen der Chat-Vorlage, als JSON-Objekt.",
  },
  prompts: {
    label: "Vorspann von Texten",
    help: 'Was ein Embedding-Modell vor einem Text liest, unter dem Namen, mit dem eine Anfrage es nennt, wie `{"query": "query: "}`. Neben denen aus seinen Dateien.',
  },
  pooling: {
    label: "Ein Vektor aus vielen",
    help: "Wie ein Embedding-Modell den Vektor eines Textes aus denen seiner Token macht. Muss gesetzt sein, wo seine Dateien es nicht sagen.",
    choices: {
      cls: "der des ersten Tokens",
      mean: "ihr Mittel",
      max: "ihr Maximum",
      lasttoken: "der des letzten Tokens",
      weightedmean: "ihr Mittel, spätere zählen mehr",
      mean_sqrt_len: "ihre Summe durch die Wurzel ihrer Zahl",
    },
  },
  normalize: {
    label: "Vektoren der Länge 1",
    help: "Ob alle Vektoren eines Embedding-Modells gleich lang werden.",
    choices: { on: "an", off: "aus", model: "wie seine Dateien sagen" },
  },
  draft_model: {
    label: "Entwurfsmodell",
    help: "Die Kennung eines kleinen installierten Modells mit demselben Wortschatz, das Antworten entwirft, die das Modell prüft. Es beantwortet dann eine Anfrage nach der anderen.",
  },
  draft_tokens: { label: "Token eines Entwurfs", help: "So viele werden auf einmal entworfen, von 1 bis 16." },
  kv_bits: {
    label: "Quantisierung des Caches",
    help: "Bits eines Wertes im Cache. Weniger brauchen weniger Speicher; das Modell beantwortet dann eine Anfrage nach der anderen.",
    choices: { "0": "wie es rechnet", "4": "4 Bit", "8": "8 Bit" },
  },
  prefix_cache_bytes: {
    label: "Präfix-Cache",
    help: "Speicher, in dem Eingaben früherer Anfragen bleiben, damit gleiche Anfänge nur einmal gelesen werden. 0 behält keine.",
  },
};
