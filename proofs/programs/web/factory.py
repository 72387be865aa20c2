"""Clean: an application factory."""

from flask import Blueprint, Flask, jsonify

pages = Blueprint("pages", __name__)


@pages.route("/<int:number>")
def page(number):
    """Show a page."""
    return jsonify(number=number)


@pages.app_template_filter()
def shout(text):
    """Text in capitals."""
    return text.upper()


def create_app():
    """A new application."""
    app = Flask(__name__)
    app.register_blueprint(pages)

    @app.errorhandler(404)
    def missing(error):
        return "nothing here", 404

    return app
