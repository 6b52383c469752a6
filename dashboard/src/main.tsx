import { VERSION } from "tickwire";
import { Source } from "./frame.ts";
document.title = VERSION + typeof Source;
