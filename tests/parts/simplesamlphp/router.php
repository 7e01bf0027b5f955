<?php
// SimpleSAMLphp as an identity provider on PHP's own server, for tests, on loopback:
//
//   SIMPLESAMLPHP_CONFIG_DIR=…/tests/parts/simplesamlphp/config IDP_FOLDER=FOLDER \
//     php -S 127.0.0.1:PORT -t /usr/share/simplesamlphp/www …/tests/parts/simplesamlphp/router.php
//
// FOLDER holds settings.json ("base", its address with a slash at its end; "users", as in tests/parts/saml/idp.py; "signing" and "next", names of
// keys; "encrypt", whether assertions are), its keys (NAME.key and NAME.crt), sp.xml (the metadata of the service provider, once there is one), and the folders log,
// data and tmp. All of it is read anew for each request. Everybody's password is their name.
//
// SimpleSAMLphp's pages are files with something behind them (/module.php/core/…), for which PHP's own server looks in vain.

$www = $_SERVER['DOCUMENT_ROOT'];
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/signed-out') {
    echo '<!doctype html><html lang="en"><title>SimpleSAMLphp</title><main>Signed out everywhere</main></html>';
    return true;
}
if (!preg_match('#^(/[\w./-]*?\.php)(/.*)?$#', $path, $found) || str_contains($path, '..') || !is_file($www . $found[1])) {
    // A style sheet, or nothing.
    return false;
}
$_SERVER['SCRIPT_NAME'] = $found[1];
$_SERVER['SCRIPT_FILENAME'] = $www . $found[1];
$_SERVER['PHP_SELF'] = $path;
$_SERVER['PATH_INFO'] = $found[2] ?? '';
chdir(dirname($www . $found[1]));
require $www . $found[1];
