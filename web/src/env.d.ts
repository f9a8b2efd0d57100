/** Digest of the sources that this build comes from; empty outside the package's build. */
declare const __UI_BUILD__: string;
