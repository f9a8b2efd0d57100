/** Digest of the sources that this build comes from; empty outside the package's build. */
declare const __UI_BUILD__: string;
/** Whether the pages for those who work on the interface are built, too. */
declare const __DEV_PAGES__: boolean;
