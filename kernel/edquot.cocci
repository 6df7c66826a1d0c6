// SPDX-License-Identifier: GPL-2.0-only
//
// The range of errors that a server may send: MIPS has one of user space above
// the kernel's own.

@@
expression E;
@@
-	E <= -512 || E > 0
+	(E <= -512 && E != -EDQUOT) || E > 0

@@
expression E;
@@
-	E <= -ERESTARTSYS || E > 0
+	(E <= -ERESTARTSYS && E != -EDQUOT) || E > 0
