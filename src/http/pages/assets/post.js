// Sends the one form of a page on. Without scripts its button does the same.
"use strict";
HTMLFormElement.prototype.submit.call(document.getElementById("post-on"));
